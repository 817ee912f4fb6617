// Every operation: `* insert Operation(code, Title, yes or no for each level, affects state)`, then In and Out per parameter.
RuleSet: Operation(code, title, system, type, instance, affects)
* insert Definition
* url = "https://hipspine.example/fhir/OperationDefinition/{code}"
* title = "{title}"
* kind = #operation
* affectsState = {affects}
* code = #{code}
* system = {system}
* type = {type}
* instance = {instance}
