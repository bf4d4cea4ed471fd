use serde_json::json;

use super::*;

const TEMPLATE: &str = r"
Parameters:
  Names: { Type: CommaDelimitedList, Default: 'a, b' }
  Seconds: { Type: Number, Default: 30 }
  Empty: { Type: String, Default: '' }
  Needed: { Type: String }
Conditions:
  IsGiven: !Not [!Equals [!Ref Empty, '']]
  IsAbsent: !Not [{ Condition: IsGiven }]
Globals:
  Function:
    Environment:
      Variables: { SECONDS: !Ref Seconds, NAMES: !Join [',', !Ref Names] }
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Missing: { Type: AWS::SQS::Queue, Condition: IsGiven }
  Thing:
    Type: Example
    Properties:
      Arn: !GetAtt Queue.Arn
      Left: !If [IsGiven, 1, !Ref AWS::NoValue]
      Either: !If [IsAbsent, 'yes', 'no']
      Text: !Sub '${AWS::Region} ${Seconds} ${!Kept} ${Queue.Arn}'
      With: !Sub ['${Host}/${AWS::StackName}', { Host: !Join ['.', [example, com]] }]
      Second: !Select [1, !Split ['-', 'x-y']]
      Statement: { Effect: Allow, Condition: { ArnLike: { k: [!Ref Needed] } } }
      Only: { Condition: { ArnLike: v } }
      Unknown: { 'Fn::Transform': x }
";

fn stack(template: &Template) -> Stack<'_> {
    let place = Place {
        partition: "aws".into(),
        region: "us-west-2".into(),
        account: "123456789012".into(),
        stack: "drainer".into(),
    };
    template.deployed(place, &[("Needed", "n")]).unwrap()
}

#[test]
fn functions_are_worked_out() {
    let template = Template::parse(&TEMPLATE.replace("      Unknown: { 'Fn::Transform': x }\n", "")).unwrap();
    let arn = "arn:aws:sqs:us-west-2:123456789012:Queue";
    let expected = json!({
        "Arn": arn,
        "Either": "yes",
        "Text": format!("us-west-2 30 ${{Kept}} {arn}"),
        "With": "example.com/drainer",
        "Second": "y",
        "Statement": {"Effect": "Allow", "Condition": {"ArnLike": {"k": ["n"]}}},
        "Only": {"Condition": {"ArnLike": "v"}},
    });
    assert_eq!(stack(&template).properties("Thing"), Ok(expected));
    let variables = [("NAMES".to_owned(), "a,b".to_owned()), ("SECONDS".to_owned(), "30".to_owned())];
    assert_eq!(stack(&template).variables(), Ok(variables.into()));
}

#[test]
fn what_is_not_there_or_not_known_is_an_error() {
    let template = Template::parse(TEMPLATE).unwrap();
    let stack = stack(&template);
    assert!(matches!(stack.properties("Thing"), Err(TemplateError::Unsupported(_))));
    assert!(matches!(stack.properties("Missing"), Err(TemplateError::Unknown(_))), "its condition is false");
    assert!(matches!(stack.properties("Nothing"), Err(TemplateError::Unknown(_))));
    assert!(matches!(stack.value_of(&json!({"Ref": "Nothing"})), Err(TemplateError::Unknown(_))));
    assert!(template.deployed(stack.place.clone(), &[]).is_err(), "Needed has no default");
    assert!(template.deployed(stack.place.clone(), &[("Needed", ""), ("Other", "")]).is_err());
    assert!(Template::parse("a: [").is_err());
}

#[test]
fn conditions_that_go_in_circles_end() {
    let template = Template::parse("Conditions:\n  A: !Not [{ Condition: A }]").unwrap();
    let place = Place { partition: String::new(), region: String::new(), account: String::new(), stack: String::new() };
    let stack = template.deployed(place, &[]).unwrap();
    assert_eq!(stack.value_of(&json!({"Fn::If": ["A", 1, 2]})), Err(TemplateError::TooDeep));
}
