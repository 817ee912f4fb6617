Extension: FlipSet
Id: flip-set
Title: "Results that would change the answer"
Description: "The smallest plausible set of further results that would put another source pattern, or another referral, first."
Context: RiskAssessment
* insert Published
* ^purpose = "What would change a decision is asked of every assessment, and R4 has no element for it."
* obeys hs-flip
* extension contains
    result 1..3 and
    expected 1..1 and
    becomes-pattern 0..1 and
    becomes-referral 0..1
* extension[result] ^short = "One result of the set"
* extension[result].extension contains
    finding 1..1 and
    value 1..1
* insert CodedPart(extension[result].extension[finding], code, $finding, [[The finding]])
* insert Answered(extension[result].extension[value], [[The answer it would have]])
* insert Part(extension[expected], decimal, [[Percentage with which all of them are expected, by what is known now]])
* insert CodedPart(extension[becomes-pattern], Coding, $source-pattern, [[The source pattern that would lead]])
* insert Part(extension[becomes-referral], CodeableConcept, [[The referral that would come first; text alone where none would be left]])
