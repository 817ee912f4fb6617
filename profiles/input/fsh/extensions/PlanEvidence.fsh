Extension: PlanEvidence
Id: plan-evidence
Title: "Evidence of a planned activity"
Description: "How well an activity of the plan is supported, and by what."
Context: CarePlan.activity.detail
* insert Published
* ^purpose = "workflow-relatedArtifact of HL7 cites a document but carries no grade, and is not meant for a part of a plan. Grade and source belong together."
* extension contains
    grade 1..1 and
    citation 1..1
* insert CodedPart(extension[grade], Coding, $evidence-grade, [[Grade of recommendation]])
* insert Part(extension[citation], RelatedArtifact, [[The source as it is cited]])
