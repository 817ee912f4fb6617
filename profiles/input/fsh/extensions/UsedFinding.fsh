Extension: UsedFinding
Id: used-finding
Title: "Answer used"
Description: "One finding as it entered the calculation: its answer, the side it is about, the input it comes from, and whether the model has a figure for it."
Context: RiskAssessment
* insert Published
* ^purpose = "RiskAssessment.basis names whole resources. This says what was read from them, which no element of R4 does."
* extension contains
    finding 1..1 and
    value 1..1 and
    comparator 0..1 and
    side 0..1 and
    effective 0..1 and
    input 0..* and
    derived-from 0..* and
    without-effect 0..1
* insert CodedPart(extension[finding], Coding, $finding, [[The finding]])
* insert Answered(extension[value], [[Its answer; unknown counts as nothing]])
* insert CodedPart(extension[comparator], code, $comparator, [[Present where the value is a bound]])
* insert CodedPart(extension[side], code, $side, [[The side it is about]])
* insert Part(extension[effective], dateTime, [[When it was true; given where inputs differ, or on another day than the assessment]])
* insert Part(extension[input], Reference, [[The input it comes from; given where there are several]])
* insert CodedPart(extension[derived-from], code, $finding, [[A finding this count was worked out from]])
* insert Part(extension[without-effect], boolean, [[True: understood, but the model has no figure for it]])
