Extension: Verification
Id: verification
Title: "Verification of a map target"
Description: "How far it was verified that the code of a map target means what the map says: in two separate publications, in one, or not at all because no code could be verified."
Context: ConceptMap.group.element.target
* insert Published
* ^purpose = "Targets of an R4 ConceptMap have no properties (R5 adds them), and whoever uses a code in production has to know which of them to check first."
* value[x] 1..1
* value[x] only code
* value[x] from $verification (required)
* value[x] ^short = "yes | single-source | no-code"
