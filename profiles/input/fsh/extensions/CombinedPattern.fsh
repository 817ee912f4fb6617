Extension: CombinedPattern
Id: combined-pattern
Title: "Combined pattern of spine and hip"
Description: "Where spine and hip both carry weight: how probable both are, which is primary, and at what stage of mutual influence."
Context: RiskAssessment
* insert Published
* ^purpose = "The order of treatment depends on it. Primary and stage are properties of a pair of sources, which no prediction of R4 can hold."
* extension contains
    both 1..1 and
    primary 1..1 and
    primary-spine 1..1 and
    primary-hip 1..1 and
    stage 1..* and
    reason 0..* and
    limits 1..1
* insert Part(extension[both], decimal, [[Percentage that both take part]])
* insert CodedPart(extension[primary], Coding, $combined-primary, [[spine | hip | undetermined]])
* insert Part(extension[primary-spine], decimal, [[Percentage that the spine is primary, given both]])
* insert Part(extension[primary-hip], decimal, [[Percentage that the hip is primary, given both]])
* extension[stage] ^short = "One stage; together they sum to 100"
* extension[stage].extension contains
    stage 1..1 and
    probability 1..1
* insert CodedPart(extension[stage].extension[stage], Coding, $combined-stage, [[The stage]])
* insert Part(extension[stage].extension[probability], decimal, [[Its percentage]])
* extension[reason] ^short = "What one answer added to a stage"
* extension[reason].extension contains
    stage 1..1 and
    finding 1..1 and
    value 1..1 and
    log-odds 1..1 and
    row 0..*
* insert CodedPart(extension[reason].extension[stage], code, $combined-stage, [[The stage]])
* insert CodedPart(extension[reason].extension[finding], code, $finding, [[The finding]])
* insert Answered(extension[reason].extension[value], [[Its answer]])
* insert Part(extension[reason].extension[log-odds], decimal, [[Natural log-odds added]])
* insert Part(extension[reason].extension[row], id, [[Row of the knowledge tables the number comes from]])
* insert Part(extension[limits], string, [[How far to trust the stages]])
