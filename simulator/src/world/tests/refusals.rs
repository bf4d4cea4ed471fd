//! Who is refused, and in which words.

use super::*;
use crate::iam::Permissions;

fn list() -> EcsRequest {
    EcsRequest::ListClusters { max_results: None, next_token: None }
}

fn complete() -> AutoScalingRequest {
    AutoScalingRequest::CompleteLifecycleAction {
        group: GROUP.to_owned(),
        hook: "ours".to_owned(),
        instance_id: Some("i-1".to_owned()),
        token: None,
        result: "CONTINUE".to_owned(),
    }
}

fn refused(world: &mut World, client: &str, request: impl Into<Request>) -> ApiError {
    let now = world.now();
    match world.request(now, client, request).answer {
        Err(RequestError::Api(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_denial_says_who_may_not_do_what_to_what() {
    let mut world = world();
    world.restrict("drainer", Permissions::default());
    let denial = |action: &str, resource: &str| {
        format!(
            "User: arn:aws:sts::123456789012:assumed-role/drainer/drainer is not authorized to perform: {action} on \
             resource: {resource} because no identity-based policy allows the {action} action"
        )
    };
    let error = refused(&mut world, "drainer", list());
    assert_eq!((error.code.as_str(), error.status), ("AccessDeniedException", 400));
    assert_eq!(error.message, denial("ecs:ListClusters", "*"));
    let error = refused(&mut world, "drainer", complete());
    assert_eq!((error.code.as_str(), error.status), ("AccessDenied", 403));
    let group = world.auto_scaling.group_arn(GROUP).unwrap();
    assert_eq!(error.message, denial("autoscaling:CompleteLifecycleAction", &group));
    assert_eq!(world.denied().len(), 2);
    ask(&mut world, list()).unwrap();
}
