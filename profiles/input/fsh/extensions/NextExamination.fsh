Extension: NextExamination
Id: next-examination
Title: "Next examination"
Description: "An unanswered finding that would tell most about the source of the pain, most informative first, with how to elicit it."
Context: RiskAssessment
* insert Published
* ^purpose = "It is neither ordered nor recommended care, so no request or activity fits: it says where the next question is best spent."
* extension contains
    finding 1..1 and
    information-bits 1..1 and
    how 0..1
* insert CodedPart(extension[finding], Coding, $finding, [[The finding to ask for or examine]])
* insert Part(extension[information-bits], decimal, [[Bits it is expected to tell]])
* insert Part(extension[how], string, [[How to elicit it, and when it counts as present]])
