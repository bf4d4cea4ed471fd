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
    world::{CredentialsFault, Fault, FaultKind, Operation},
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
async fn a_connection_may_drop_without_an_answer() {
    let simulator = simulator();
    simulator.world(|world| world.plan(Fault::times(Operation::ListClusters, 1, FaultKind::DropConnection)));
    assert!(send(&simulator, Some(&of_ecs("ListClusters")), "{}".to_owned()).await.is_err());
    let (status, _) = ecs(&simulator, "ListClusters", json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_holds_up_no_other() {
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
