Invariant: hs-is-partition
Description: "A source pattern is labelled as part of the partition."
Expression: "extension.where(url = 'https://hipspine.example/fhir/StructureDefinition/prediction-kind' and value = 'partition').exists()"
Severity: #error
