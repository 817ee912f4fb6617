Invariant: hs-partition
Description: "The percentages of the source patterns sum to 100."
Expression: "prediction.where(extension.where(url = 'https://hipspine.example/fhir/StructureDefinition/prediction-kind' and value = 'partition').exists()).probability.aggregate($this + $total, 0.0).select($this > 99.99 and $this < 100.01)"
Severity: #error
