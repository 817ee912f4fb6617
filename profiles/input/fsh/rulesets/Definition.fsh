// What every conformance resource written as an instance says; profiles and extensions get it from sushi-config.yaml.
RuleSet: Definition
* version = "0.1.0"
* status = #active
* experimental = false
* publisher = "HipSpine"
