Extension: Urgency
Id: urgency
Title: "Urgency"
Description: "How soon a clinician should act: emergency, urgent, soon or routine. Red flags decide it; no probability lowers it."
Context: RiskAssessment, ServiceRequest
* insert Published
* ^purpose = "request-priority of R4 has no word for 'within days to weeks', and RiskAssessment has no priority at all. ServiceRequest.priority is filled as well: soon is routine there, with a period."
* value[x] 1..1
* value[x] only Coding
* value[x] from $urgency (required)
* value[x] ^short = "emergency | urgent | soon | routine"
