Extension: BestExamination
Id: best-examination
Title: "Best examination"
Description: "The unanswered finding that best separates the two leading explanations, and which two those are."
Context: RiskAssessment
* insert Published
* ^purpose = "Stands beside next-examination, which asks about all patterns at once: what separates two rivals is another question."
* extension contains
    finding 1..1 and
    information-bits 1..1 and
    splits 0..2
* insert CodedPart(extension[finding], Coding, $finding, [[The finding]])
* insert Part(extension[information-bits], decimal, [[Bits it is expected to tell]])
* insert Part(extension[splits], Coding, [[One of the two source patterns or conditions it separates]])
