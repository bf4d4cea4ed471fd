//! Who is refused, and in which words.

use super::*;
use crate::{
    cloudformation::{Place, Template},
    iam::Permissions,
};

fn list() -> Request {
    Request::ListClusters { max_results: None, next_token: None }
}

fn complete() -> Request {
    Request::CompleteLifecycleAction {
        group: GROUP.to_owned(),
        hook: "ours".to_owned(),
        instance_id: Some("i-1".to_owned()),
        token: None,
        result: "CONTINUE".to_owned(),
    }
}

fn refused(world: &mut World, client: &str, request: Request) -> ApiError {
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

#[test]
fn a_denial_names_the_resource_that_is_not_allowed() {
    let template = Template::parse(
        r"
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              Effect: Allow
              Action: ecs:DescribeClusters
              Resource: arn:aws:ecs:us-west-2:123456789012:cluster/prod
",
    )
    .unwrap();
    let place = Place { partition: String::new(), region: String::new(), account: String::new(), stack: String::new() };
    let stack = template.deployed(place, &[]).unwrap();
    let mut world = world();
    world.restrict("drainer", Permissions::of_role(&stack, "Role").unwrap());
    let clusters = ["prod", "staging"].map(str::to_owned).to_vec();
    let error = refused(&mut world, "drainer", Request::DescribeClusters { clusters });
    assert!(error.message.contains("on resource: arn:aws:ecs:us-west-2:123456789012:cluster/staging because"));
}

#[test]
fn a_planned_denial_has_the_same_words() {
    let mut world = world();
    world.plan(Fault::always(FaultKind::AccessDenied));
    let error = refusal(&mut world, list());
    assert!(
        error.message.ends_with("on resource: * because no identity-based policy allows the ecs:ListClusters action")
    );
    assert!(world.denied().is_empty());
}

#[test]
fn credentials_that_are_not_taken_are_refused_before_all_else() {
    for (fault, of_ecs, of_auto_scaling, message) in [
        (CredentialsFault::Unknown, "UnrecognizedClientException", "InvalidClientTokenId", "is invalid."),
        (CredentialsFault::Expired, "ExpiredTokenException", "ExpiredToken", "is expired"),
    ] {
        let mut world = world();
        world.restrict("drainer", Permissions::default());
        world.refuse_credentials("drainer", fault);
        for (request, code) in [(list(), of_ecs), (complete(), of_auto_scaling)] {
            let error = refused(&mut world, "drainer", request);
            assert_eq!((error.code.as_str(), error.status), (code, 403));
            assert!(error.message.ends_with(message), "{}", error.message);
        }
        assert!(world.denied().is_empty());
        assert_eq!(world.requests()[0].outcome, Outcome::Refused(of_ecs.to_owned()));
        ask(&mut world, list()).unwrap();
    }
}
