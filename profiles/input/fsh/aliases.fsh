// Our own code systems and value sets live in terminology/, one FHIR JSON file each; SUSHI reads them from there.
Alias: $base = https://hipspine.example/fhir
Alias: $finding = https://hipspine.example/fhir/ValueSet/finding
Alias: $answer = https://hipspine.example/fhir/ValueSet/answer
Alias: $condition-outcome = https://hipspine.example/fhir/ValueSet/condition-outcome
Alias: $source-pattern = https://hipspine.example/fhir/ValueSet/source-pattern
Alias: $red-flag = https://hipspine.example/fhir/ValueSet/red-flag
Alias: $urgency = https://hipspine.example/fhir/ValueSet/urgency
Alias: $undecided = https://hipspine.example/fhir/ValueSet/undecided
Alias: $spinal-level = https://hipspine.example/fhir/ValueSet/spinal-level
Alias: $combined-primary = https://hipspine.example/fhir/ValueSet/combined-primary
Alias: $combined-stage = https://hipspine.example/fhir/ValueSet/combined-stage
Alias: $robustness = https://hipspine.example/fhir/ValueSet/robustness
Alias: $plan-item = https://hipspine.example/fhir/ValueSet/plan-item
Alias: $plan-kind = https://hipspine.example/fhir/ValueSet/plan-kind
Alias: $evidence-grade = https://hipspine.example/fhir/ValueSet/evidence-grade
Alias: $evidence-kind = https://hipspine.example/fhir/ValueSet/evidence-kind
Alias: $prediction-kind = https://hipspine.example/fhir/ValueSet/prediction-kind
Alias: $side = https://hipspine.example/fhir/ValueSet/side
Alias: $counted = https://hipspine.example/fhir/ValueSet/counted
Alias: $service = https://hipspine.example/fhir/ValueSet/service
Alias: $verification = https://hipspine.example/fhir/ValueSet/verification

Alias: $comparator = http://hl7.org/fhir/ValueSet/quantity-comparator
Alias: $risk-probability = http://terminology.hl7.org/CodeSystem/risk-probability
Alias: $observation-category = http://terminology.hl7.org/CodeSystem/observation-category
Alias: $observation-value = http://terminology.hl7.org/CodeSystem/v3-ObservationValue
Alias: $ucum = http://unitsofmeasure.org
