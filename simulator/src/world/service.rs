//! The AWS services whose operations are modelled.

/// An AWS service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Amazon ECS.
    Ecs,
    /// Amazon EC2 Auto Scaling.
    AutoScaling,
    /// AWS CloudFormation.
    CloudFormation,
    /// Amazon EventBridge.
    EventBridge,
    /// AWS Identity and Access Management.
    Iam,
}

impl Service {
    /// What its actions begin with in a policy.
    // Service Authorization Reference, "service prefix".
    pub fn prefix(self) -> &'static str {
        match self {
            Service::Ecs => "ecs",
            Service::AutoScaling => "autoscaling",
            Service::CloudFormation => "cloudformation",
            Service::EventBridge => "events",
            Service::Iam => "iam",
        }
    }

    /// Whether its protocol is AWS's JSON; the others speak its Query.
    pub fn speaks_json(self) -> bool {
        match self {
            Service::Ecs | Service::EventBridge => true,
            Service::AutoScaling | Service::CloudFormation | Service::Iam => false,
        }
    }
}
