//! Both protocols over a real socket.

mod auto_scaling;
mod stack;

use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::wall_now,
    scenario,
    world::{CapacityProviderSpec, CredentialsFault, Fault, FaultKind, Operation, ServiceSpec},
};

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260115/us-west-2/ecs/aws4_request, SignedHeaders=host, Signature=0";

fn simulator() -> Simulator {
    Simulator::start(scenario::demo(wall_now(), &scenario::Parameters::default()).unwrap()).unwrap()
}

/// Sends a signed request and reads the whole answer; an error is a connection that was dropped.
async fn send(simulator: &Simulator, target: Option<&str>, body: String) -> hyper::Result<(u16, String)> {
    send_as(simulator, Some(SIGNATURE), target, body).await
}

async fn send_as(
    simulator: &Simulator,
    signature: Option<&str>,
    target: Option<&str>,
    body: String,
) -> hyper::Result<(u16, String)> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", simulator.port)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::post("/").header("host", "simulator");
    if let Some(signature) = signature {
        request = request.header("authorization", signature);
    }
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    let response = sender.send_request(request.body(Full::new(body.into())).unwrap()).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn ecs(simulator: &Simulator, operation: &str, body: Value) -> (u16, Value) {
    let (status, body) = send(simulator, Some(&of_ecs(operation)), body.to_string()).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn of_ecs(operation: &str) -> String {
    format!("AmazonEC2ContainerServiceV20141113.{operation}")
}

async fn auto_scaling(simulator: &Simulator, body: &str) -> (u16, String) {
    send(simulator, None, body.to_owned()).await.unwrap()
}

#[tokio::test]
async fn a_request_without_a_signature_is_told_so_and_asks_for_nothing() {
    let simulator = simulator();
    for (target, code) in [
        (Some("ListClusters"), "MissingAuthenticationTokenException"),
        (None, "<Code>MissingAuthenticationToken</Code>"),
    ] {
        let (status, body) = send_as(&simulator, None, target, "{}".to_owned()).await.unwrap();
        assert_eq!(status, 403);
        assert!(body.contains(code), "{body}");
    }
    assert!(simulator.world(|world| world.requests().is_empty()));
}

#[tokio::test]
async fn credentials_that_aws_does_not_take_are_refused_in_both_protocols() {
    let simulator = simulator();
    simulator.world(|world| world.refuse_credentials("AKIAIOSFODNN7EXAMPLE", CredentialsFault::Unknown));
    let (status, error) = ecs(&simulator, "ListClusters", json!({})).await;
    assert_eq!((status, &error["__type"]), (403, &json!("UnrecognizedClientException")));
    let (status, xml) = auto_scaling(&simulator, "Action=DescribeAutoScalingGroups").await;
    assert_eq!(status, 403);
    assert!(xml.contains("<Type>Sender</Type><Code>InvalidClientTokenId</Code>"), "{xml}");
}

#[tokio::test]
async fn ecs_lists_and_describes_in_json() {
    let simulator = simulator();
    let filter = format!("ec2InstanceId in ['{}']", scenario::LEAVING);
    let request = json!({ "cluster": "prod", "filter": filter });
    let (status, listed) = ecs(&simulator, "ListContainerInstances", request).await;
    assert_eq!(status, 200);
    let arn = listed["containerInstanceArns"][0].clone();
    assert!(arn.as_str().unwrap().starts_with("arn:aws:ecs:us-west-2:123456789012:container-instance/prod/"));
    let request = json!({ "cluster": "prod", "containerInstances": [arn] });
    let (_, described) = ecs(&simulator, "DescribeContainerInstances", request).await;
    let instance = &described["containerInstances"][0];
    assert_eq!(instance["ec2InstanceId"], scenario::LEAVING);
    assert_eq!(instance["status"], "ACTIVE");
    assert_eq!(instance["runningTasksCount"], 3);
    assert_eq!(instance["agentConnected"], true);
    assert!(instance["registeredAt"].as_f64().unwrap() > 1.7e9);
    assert_eq!(described["failures"], json!([]));
}

#[tokio::test]
async fn ecs_describes_clusters_and_capacity_providers() {
    let simulator = simulator();
    let spec = CapacityProviderSpec {
        name: "own".to_owned(),
        cluster: "prod".to_owned(),
        group: "my-asg".to_owned(),
        managed_draining: true,
    };
    simulator.world(|world| world.add_capacity_provider(spec)).unwrap();
    let (_, told) = ecs(&simulator, "DescribeClusters", json!({ "clusters": ["prod"] })).await;
    let cluster = &told["clusters"][0];
    assert_eq!((&cluster["clusterName"], &cluster["status"]), (&json!("prod"), &json!("ACTIVE")));
    assert_eq!(cluster["registeredContainerInstancesCount"], 3);
    assert_eq!(cluster["capacityProviders"], json!(["own"]));
    assert_eq!(cluster["defaultCapacityProviderStrategy"], json!([]));
    let (_, told) = ecs(&simulator, "DescribeCapacityProviders", json!({})).await;
    assert_eq!(told.get("nextToken"), None);
    let provider = &told["capacityProviders"][0];
    assert_eq!(provider["status"], "ACTIVE");
    let of_group = &provider["autoScalingGroupProvider"];
    assert_eq!(
        (&of_group["managedDraining"], &of_group["managedScaling"]["status"]),
        (&json!("ENABLED"), &json!("DISABLED"))
    );
    let (_, error) = ecs(&simulator, "DescribeClusters", json!({ "include": ["TAGS"] })).await;
    assert_eq!(error["__type"], "InvalidParameterException");
}

#[tokio::test]
async fn auto_scaling_puts_and_deletes_a_hook() {
    let simulator = simulator();
    let named = "AutoScalingGroupName=my-asg&LifecycleHookName=new";
    let put = format!(
        "Action=PutLifecycleHook&{named}&LifecycleTransition=autoscaling%3AEC2_INSTANCE_TERMINATING&HeartbeatTimeout=900"
    );
    let (status, xml) = auto_scaling(&simulator, &put).await;
    assert_eq!(status, 200);
    assert!(xml.contains("<PutLifecycleHookResult></PutLifecycleHookResult>"), "{xml}");
    let (_, xml) = auto_scaling(&simulator, "Action=DescribeLifecycleHooks&AutoScalingGroupName=my-asg").await;
    assert!(xml.contains("<HeartbeatTimeout>900</HeartbeatTimeout><GlobalTimeout>90000</GlobalTimeout>"), "{xml}");
    let (status, xml) = auto_scaling(&simulator, &format!("{put}&RoleARN=arn")).await;
    assert!(status == 400 && xml.contains("RoleARN is not modelled"), "{xml}");
    let delete = format!("Action=DeleteLifecycleHook&{named}");
    assert_eq!(auto_scaling(&simulator, &delete).await.0, 200);
    assert_eq!(auto_scaling(&simulator, &delete).await.0, 400);
}

#[tokio::test]
async fn ecs_stops_a_task_and_describes_it() {
    let simulator = simulator();
    let (_, listed) = ecs(&simulator, "ListTasks", json!({ "cluster": "prod" })).await;
    let tasks = listed["taskArns"].clone();
    let request = json!({ "cluster": "prod", "tasks": tasks });
    let (_, described) = ecs(&simulator, "DescribeTasks", request).await;
    let job =
        described["tasks"].as_array().unwrap().iter().find(|task| task["group"] == "family:nightly-report").unwrap();
    assert_eq!(job["lastStatus"], "RUNNING");
    assert!(job.get("startedBy").is_none(), "absent, not null");
    let request = json!({ "cluster": "prod", "task": job["taskArn"], "reason": "test" });
    let (_, stopped) = ecs(&simulator, "StopTask", request).await;
    assert_eq!(stopped["task"]["lastStatus"], "RUNNING", "until its containers have ended");
    assert_eq!(stopped["task"]["desiredStatus"], "STOPPED");
    assert_eq!(stopped["task"]["stopCode"], "UserInitiated");
}

#[tokio::test]
async fn ecs_tells_the_events_of_a_service_and_when_they_were() {
    let simulator = simulator();
    let began = simulator.now();
    let scheduled = |world: &World| world.now() > began + world.settings().tick;
    assert!(simulator.wait_for(Duration::from_secs(10), scheduled).await);
    let request = json!({ "cluster": "prod", "services": ["web"] });
    let (_, described) = ecs(&simulator, "DescribeServices", request).await;
    let [event] = described["services"][0]["events"].as_array().unwrap().as_slice() else { panic!("one event") };
    assert_eq!(event["message"], "(service web) has reached a steady state.");
    assert!(event["createdAt"].as_f64().unwrap() > 1.7e9);
    assert_eq!(event["id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn ecs_tells_which_tasks_are_protected_and_until_when() {
    let simulator = simulator();
    let spec = ServiceSpec {
        cluster: "prod".to_owned(),
        name: "orders".to_owned(),
        protected_for: Some(Duration::from_secs(3600)),
        ..ServiceSpec::default()
    };
    let mut ids = simulator.world(|world| world.add_service_with_tasks_on(spec, scenario::LEAVING)).unwrap();
    let (free, job) = simulator.world(|world| {
        let of = |group: &str| world.tasks_on(scenario::LEAVING).into_iter().find(|it| it.group() == group).cloned();
        (of("service:web").unwrap(), of("family:nightly-report").unwrap())
    });
    ids.extend([free.id, job.id]);
    let (status, told) = ecs(&simulator, "GetTaskProtection", json!({ "cluster": "prod", "tasks": ids })).await;
    assert_eq!(status, 200);
    let protected = &told["protectedTasks"][0];
    assert!(protected["taskArn"].as_str().unwrap().ends_with(&ids[0]));
    assert_eq!(protected["protectionEnabled"], true);
    let left = protected["expirationDate"].as_f64().unwrap() - simulator.now().as_duration().as_secs_f64();
    assert!((3500.0..=3600.0).contains(&left), "{left}");
    let expected = json!({ "taskArn": free.arn, "protectionEnabled": false });
    assert_eq!(told["protectedTasks"][1], expected, "absent, not null");
    assert_eq!(told["failures"], json!([{ "arn": job.arn, "reason": "TASK_NOT_VALID" }]));
    let (_, every) = ecs(&simulator, "GetTaskProtection", json!({ "cluster": "prod" })).await;
    assert_eq!(every, json!({ "protectedTasks": [protected], "failures": [] }));
}

#[tokio::test]
async fn an_empty_list_has_its_name() {
    let simulator = simulator();
    let request = json!({ "cluster": "prod", "desiredStatus": "STOPPED" });
    let (_, listed) = ecs(&simulator, "ListTasks", request).await;
    assert_eq!(listed, json!({ "taskArns": [] }));
}

#[tokio::test]
async fn ecs_errors_name_their_type() {
    let simulator = simulator();
    let (status, error) = ecs(&simulator, "ListTasks", json!({})).await;
    assert_eq!(status, 400);
    let expected = json!({ "__type": "ClusterNotFoundException", "message": "Cluster not found." });
    assert_eq!(error, expected);
    let (_, error) = ecs(&simulator, "RunTask", json!({})).await;
    assert_eq!(error["__type"], "UnknownOperationException");
    let (_, error) = ecs(&simulator, "ListTasks", json!({ "family": "web" })).await;
    assert!(error["message"].as_str().unwrap().contains("not modelled"));
}

#[tokio::test]
async fn auto_scaling_answers_in_xml() {
    let simulator = simulator();
    simulator.world(|world| world.scale_in(scenario::LEAVING, world.now())).unwrap();
    let body =
        format!("Action=DescribeAutoScalingInstances&Version=2011-01-01&InstanceIds.member.1={}", scenario::LEAVING);
    let (status, xml) = auto_scaling(&simulator, &body).await;
    assert_eq!(status, 200);
    let expected = "<DescribeAutoScalingInstancesResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\
        <DescribeAutoScalingInstancesResult><AutoScalingInstances><member>\
        <AutoScalingGroupName>my-asg</AutoScalingGroupName><InstanceId>i-1234567890abcdef0</InstanceId>";
    assert!(xml.starts_with(expected), "{xml}");
    assert!(xml.contains("<LifecycleState>Terminating</LifecycleState>"), "{xml}");
    let body = "Action=DescribeLifecycleHooks&AutoScalingGroupName=my-asg";
    let (_, xml) = auto_scaling(&simulator, body).await;
    assert!(xml.contains("<NotificationMetadata>{&quot;cluster&quot;:&quot;prod&quot;}</NotificationMetadata>"));
    let body = "Action=DescribeAutoScalingGroups&MaxRecords=100";
    let (_, xml) = auto_scaling(&simulator, body).await;
    assert_eq!(xml.matches("<InstanceId>").count(), 3);
}

#[tokio::test]
async fn a_lifecycle_action_is_kept_alive_and_completed_once() {
    let simulator = simulator();
    simulator.world(|world| world.scale_in(scenario::LEAVING, world.now())).unwrap();
    let named = format!("AutoScalingGroupName=my-asg&LifecycleHookName=ecs-drainer&InstanceId={}", scenario::LEAVING);
    let heartbeat = format!("Action=RecordLifecycleActionHeartbeat&{named}");
    let (status, xml) = auto_scaling(&simulator, &heartbeat).await;
    assert_eq!(status, 200);
    assert!(xml.contains("<RecordLifecycleActionHeartbeatResult></RecordLifecycleActionHeartbeatResult>"));
    let complete = format!("Action=CompleteLifecycleAction&LifecycleActionResult=CONTINUE&{named}");
    assert_eq!(auto_scaling(&simulator, &complete).await.0, 200);
    let (status, xml) = auto_scaling(&simulator, &complete).await;
    assert_eq!(status, 400);
    assert!(xml.contains(
        "<Error><Type>Sender</Type><Code>ValidationError</Code>\
         <Message>No active Lifecycle Action found with instance ID i-1234567890abcdef0</Message></Error>"
    ));
    let gone = |world: &World| world.lifecycle_state(scenario::LEAVING).is_none();
    assert!(simulator.wait_for(Duration::from_secs(10), gone).await);
    let (_, xml) = auto_scaling(&simulator, "Action=TerminateInstanceInAutoScalingGroup").await;
    assert!(xml.contains("<Code>InvalidAction</Code>"));
}

#[tokio::test]
async fn a_connection_may_drop_without_an_answer() {
    let simulator = simulator();
    simulator.world(|world| world.plan(Fault::times(Operation::ListClusters, 1, FaultKind::DropConnection)));
    assert!(send(&simulator, Some(&of_ecs("ListClusters")), "{}".to_owned()).await.is_err());
    let (status, _) = ecs(&simulator, "ListClusters", json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_holds_up_nobody_else() {
    let simulator = simulator();
    let slow = FaultKind::Slow(Duration::from_millis(500));
    simulator.world(|world| world.plan(Fault::times(Operation::ListClusters, 1, slow)));
    let began = simulator.now();
    let late = async {
        ecs(&simulator, "ListClusters", json!({})).await;
        simulator.now()
    };
    let quick = async {
        ecs(&simulator, "ListTasks", json!({ "cluster": "prod" })).await;
        simulator.now()
    };
    let (late, quick) = tokio::join!(late, quick);
    assert!(late.duration_since(began) >= jiff::SignedDuration::from_millis(500));
    assert!(quick < late);
}

#[tokio::test]
async fn who_asks_is_the_access_key_and_a_large_body_is_refused() {
    let simulator = simulator();
    ecs(&simulator, "ListClusters", json!({})).await;
    let client = simulator.world(|world| world.requests()[0].client.clone());
    assert_eq!(client, "AKIAIOSFODNN7EXAMPLE");
    let (status, _) = send(&simulator, None, "x".repeat(MAX_BODY + 1)).await.unwrap();
    assert_eq!(status, 413);
}

#[tokio::test]
async fn waiting_ends_when_its_time_is_over() {
    let simulator = simulator();
    assert!(!simulator.wait_for(Duration::from_millis(30), |_| false).await);
}

#[tokio::test]
async fn ecs_writes_times_with_an_exponent() {
    let simulator = simulator();
    let (_, listed) = ecs(&simulator, "ListTasks", json!({ "cluster": "prod" })).await;
    let request = json!({ "cluster": "prod", "tasks": listed["taskArns"] });
    let (_, body) = send(&simulator, Some(&of_ecs("DescribeTasks")), request.to_string()).await.unwrap();
    let (_, after) = body.split_once("\"createdAt\":").unwrap();
    let time = after.split([',', '}']).next().unwrap();
    assert!(time.starts_with("1.7") && time.ends_with("E9"), "{time}");
    assert!(time.parse::<f64>().unwrap() > 1.7e9, "{time}");
    assert!(body.contains("\"failures\":[]"), "it is always there: {body}");
}

#[tokio::test]
async fn ecs_answers_with_the_container_instance_already_draining_and_of_a_higher_version() {
    let simulator = simulator();
    let (_, listed) = ecs(&simulator, "ListContainerInstances", json!({ "cluster": "prod" })).await;
    let named = json!({ "cluster": "prod", "containerInstances": [listed["containerInstanceArns"][0]] });
    let (_, before) = ecs(&simulator, "DescribeContainerInstances", named.clone()).await;
    let mut request = named;
    request["status"] = json!("DRAINING");
    let (_, answer) = ecs(&simulator, "UpdateContainerInstancesState", request).await;
    let (before, after) = (&before["containerInstances"][0], &answer["containerInstances"][0]);
    assert_eq!((before["status"].as_str(), after["status"].as_str()), (Some("ACTIVE"), Some("DRAINING")));
    assert_eq!(after["version"].as_i64().unwrap(), before["version"].as_i64().unwrap() + 1);
    assert_eq!(answer["failures"], json!([]));
    for member in ["agentConnected", "runningTasksCount", "pendingTasksCount", "attributes", "versionInfo"] {
        assert_eq!(after[member], before[member], "{member}");
    }
}

#[tokio::test]
async fn ecs_refuses_in_the_words_that_were_recorded() {
    let simulator = simulator();
    let (status, error) = ecs(&simulator, "ListTasks", json!({ "cluster": "none" })).await;
    let (code, message) = (error["__type"].as_str(), error["message"].as_str());
    assert_eq!((status, code, message), (400, Some("ClusterNotFoundException"), Some("Cluster not found.")));
    let (status, error) = ecs(&simulator, "ListTasks", json!({ "cluster": "prod", "maxResults": 101 })).await;
    let (code, message) = (error["__type"].as_str(), error["message"].as_str());
    let expected = (400, Some("InvalidParameterException"), Some("Max results can not be greater than 100"));
    assert_eq!((status, code, message), expected);
}
