Extension: RedFlagScreening
Id: red-flag-screening
Title: "Red-flag screening"
Description: "Which alarm signs were looked for and not found, and which could not be judged because an answer is missing. Clear only if every rule was judged and none is met."
Context: RiskAssessment
* insert Published
* ^purpose = "FHIR R4 has no element that says what was screened for. Without it, an assessment without a red flag could not be told from one in which nobody asked."
* extension contains
    clear 1..1 and
    absent 0..* and
    not-screened 0..*
* insert Part(extension[clear], boolean, [[True: every rule was judged and none is met]])
* insert CodedPart(extension[absent], code, $red-flag, [[A rule that was judged and is not met]])
* extension[not-screened] ^short = "A rule that could not be judged"
* extension[not-screened].extension contains
    rule 1..1 and
    missing 0..*
* insert CodedPart(extension[not-screened].extension[rule], code, $red-flag, [[The rule]])
* insert CodedPart(extension[not-screened].extension[missing], code, $finding, [[A finding whose answer is needed to judge it]])
