Extension: WhatIf
Id: what-if
Title: "What if"
Description: "The source patterns under each possible result of one unanswered finding. Given on request."
Context: RiskAssessment
* insert Published
* ^purpose = "Lets a reader look one step ahead without sending the case again; R4 has no element for a hypothetical outcome."
* extension contains
    finding 1..1 and
    bedside 1..1 and
    result 1..*
* insert CodedPart(extension[finding], code, $finding, [[The finding]])
* insert Part(extension[bedside], boolean, [[True: it is asked or examined; false: it needs imaging, a laboratory or a treatment]])
* extension[result] ^short = "One possible result"
* extension[result].extension contains
    value 1..1 and
    expected 1..1 and
    flips 1..1 and
    pattern 1..*
* insert Answered(extension[result].extension[value], [[The answer]])
* insert Part(extension[result].extension[expected], decimal, [[Percentage with which it is expected, by what is known now]])
* insert Part(extension[result].extension[flips], boolean, [[True: another source pattern would lead]])
* extension[result].extension[pattern] ^short = "A source pattern after this result; together they sum to 100"
* extension[result].extension[pattern].extension contains
    code 1..1 and
    probability 1..1
* insert CodedPart(extension[result].extension[pattern].extension[code], code, $source-pattern, [[The pattern]])
* insert Part(extension[result].extension[pattern].extension[probability], decimal, [[Its percentage]])
