Profile: SpineHipRiskAssessment
Parent: RiskAssessment
Id: spine-hip-risk-assessment
Title: "Spine-hip risk assessment"
Description: "One assessment of hip-region pain: which source is how likely (hip, spine, sacroiliac joint, several, ...), which conditions are behind it, which red flags the answers raise, why, and what follows. Probabilities are percentages from 0 to 100, as R4 defines prediction.probability[x], never fractions."
* insert Published
* obeys hs-partition and hs-distinct
* meta.profile 1..*
* meta.security 1..*
* meta.security ^slicing.discriminator.type = #value
* meta.security ^slicing.discriminator.path = "code"
* meta.security ^slicing.rules = #open
* meta.security contains madeByMachine 1..1
* meta.security[madeByMachine] ^short = "Asserted by software"
* meta.security[madeByMachine].system 1..1
* meta.security[madeByMachine].system = $observation-value
* meta.security[madeByMachine].code 1..1
* meta.security[madeByMachine].code = #AIAST
* language 1..1
* language ^short = "Language of narrative and sentences; codes keep their displays"
* text 1..1
* identifier 1..*
* identifier ^short = "Digest of all that decides the content: equal input, equal identifier"
* status ^short = "preliminary where it cannot be told yet or an input is preliminary, else final"
* method 1..1
* method from $service (required)
* code 1..1
* code from $service (required)
* subject only Reference(Patient)
* subject ^short = "The patient, as the input names them"
* occurrence[x] 1..1
* occurrence[x] only dateTime
* occurrence[x] ^short = "When the assessment was made"
* parent only Reference(SpineHipRiskAssessment)
* parent ^short = "The earlier assessment this one is compared with"
* performer 1..1
* performer only Reference(EngineDevice)
* basis ^short = "Every input that was used, and no other"
* mitigation ^short = "The one thing to do next"
* extension contains
    RedFlag named redFlag 0..* and
    RedFlagScreening named redFlagScreening 1..1 and
    Urgency named urgency 1..1 and
    UndecidedReason named undecided 0..* and
    AssessmentChange named change 0..1 and
    IntendedUse named intendedUse 1..1 and
    ModelLimits named modelLimits 1..1 and
    Coverage named coverage 1..1 and
    InformationBits named informationBits 1..1 and
    SpineVersusHip named spineVersusHip 1..1 and
    SourcesDiffer named sourcesDiffer 0..* and
    NextExamination named nextExamination 0..* and
    BestExamination named bestExamination 0..1 and
    Robustness named robustness 0..1 and
    FlipSet named flipSet 0..2 and
    WhatIf named whatIf 0..* and
    SpinalLevel named spinalLevel 0..* and
    CombinedPattern named combinedPattern 0..1 and
    PlanItem named planItem 0..* and
    UsedFinding named usedFinding 0..* and
    IgnoredInput named ignoredInput 0..* and
    MissingFinding named missingFinding 0..1 and
    InputWarning named warning 0..* and
    Evidence named evidence 0..* and
    EngineVersion named engineVersion 1..1 and
    KnowledgeVersion named knowledgeVersion 1..1
* prediction 1..*
* prediction obeys hs-percent and hs-interval
* prediction ^short = "Source patterns, which sum to 100, then conditions, each by itself"
* prediction.extension contains
    PredictionKind named kind 1..1 and
    Derived named derived 0..1 and
    Explanation named explanation 0..1
* prediction.outcome 1..1
* prediction.probability[x] 1..1
* prediction.probability[x] only decimal
* prediction.probability[x] ^short = "Percentage, 0 to 100, at most two decimals"
* prediction.qualitativeRisk 1..1
* prediction.qualitativeRisk from http://hl7.org/fhir/ValueSet/risk-probability (required)
* prediction.qualitativeRisk ^short = "below 1 % negligible, below 20 % low, below 50 % moderate, otherwise high"
* prediction.rationale 1..1
* prediction.rationale ^short = "One sentence that names the strongest findings for and against"
* prediction ^slicing.discriminator.type = #pattern
* prediction ^slicing.discriminator.path = "outcome"
* prediction ^slicing.rules = #closed
* prediction ^slicing.description = "By the code system of the outcome"
* prediction contains
    sourcePattern 1..* and
    condition 0..*
* prediction[sourcePattern] obeys hs-is-partition
* prediction[sourcePattern] ^short = "One source pattern; all of them sum to 100"
* prediction[sourcePattern].outcome ^patternCodeableConcept.coding.system = "https://hipspine.example/fhir/CodeSystem/source-pattern"
* prediction[sourcePattern].outcome from $source-pattern (required)
* prediction[condition] obeys hs-is-marginal
* prediction[condition] ^short = "One condition by itself; conditions may coexist"
* prediction[condition].outcome ^patternCodeableConcept.coding.system = "https://hipspine.example/fhir/CodeSystem/condition"
* prediction[condition].outcome from $condition-outcome (required)
