Extension: SpinalLevel
Id: spinal-level
Title: "Spinal level"
Description: "How probable it is that one root or segment takes part, in percent, and the answers that moved it most. Levels may coexist."
Context: RiskAssessment
* insert Published
* ^purpose = "A level is neither a condition nor a source pattern, so it is no prediction of its own: it says where in the spine, given that the spine takes part."
* extension contains
    level 1..1 and
    probability 1..1 and
    reason 0..*
* insert CodedPart(extension[level], Coding, $spinal-level, [[The level, or none]])
* insert Part(extension[probability], decimal, [[Its percentage]])
* extension[reason] ^short = "What one answer added"
* extension[reason].extension contains
    finding 1..1 and
    value 1..1 and
    log-odds 1..1 and
    row 0..*
* insert CodedPart(extension[reason].extension[finding], code, $finding, [[The finding]])
* insert Answered(extension[reason].extension[value], [[Its answer]])
* insert Part(extension[reason].extension[log-odds], decimal, [[Natural log-odds added]])
* insert Part(extension[reason].extension[row], id, [[Row of the knowledge tables the number comes from]])
