Extension: RedFlag
Id: red-flag
Title: "Red flag"
Description: "An alarm sign that the answers, or a diagnosis on record, raise, before and apart from any probability: which rule, what raised it, how soon to act and what to do."
Context: RiskAssessment
* insert Published
* ^purpose = "Flag and DetectedIssue of R4 are resources of their own, and a RiskAssessment has no element for an alarm. An alarm has to stand in the assessment itself, so that no reader can have one without the other."
* extension contains
    rule 1..1 and
    urgency 1..1 and
    finding 0..* and
    diagnosis 0..* and
    message 1..1 and
    action 1..1
* insert CodedPart(extension[rule], Coding, $red-flag, [[The rule that is met]])
* insert CodedPart(extension[urgency], Coding, $urgency, [[How soon to act on it]])
* insert CodedPart(extension[finding], code, $finding, [[A finding that meets the rule]])
* insert Part(extension[diagnosis], string, [[A diagnosis on the problem list that raises it by itself]])
* insert Part(extension[message], string, [[What it may mean]])
* insert Part(extension[action], string, [[What to do]])
