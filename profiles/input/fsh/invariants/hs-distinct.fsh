Invariant: hs-distinct
Description: "No source pattern and no condition is predicted twice."
Expression: "prediction.outcome.coding.where(system = 'https://hipspine.example/fhir/CodeSystem/source-pattern').code.isDistinct() and prediction.outcome.coding.where(system = 'https://hipspine.example/fhir/CodeSystem/condition').code.isDistinct()"
Severity: #error
