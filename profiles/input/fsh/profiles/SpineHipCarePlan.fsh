Profile: SpineHipCarePlan
Parent: CarePlan
Id: spine-hip-care-plan
Title: "Spine-hip care plan"
Description: "The plan of an assessment as a draft: the requests it proposes, every other item with dosage, reasons, evidence and source, and what is withheld as an activity that must not be performed, with the reason."
* insert Published
* status = #draft
* intent = #proposal
* title 1..1
* subject only Reference(Patient)
* period 1..1
* period.start 1..1
* period ^short = "From the assessment to the last day on which to assess again"
* created 1..1
* author 1..1
* author only Reference(EngineDevice)
* supportingInfo 1..*
* supportingInfo ^short = "The assessment it belongs to"
* activity ^short = "A draft request beside the plan, or one item in words"
* activity.detail.extension contains PlanEvidence named evidence 0..1
* activity.detail.kind 1..1
* activity.detail.code 1..1
* activity.detail.code from $plan-item (required)
* activity.detail.doNotPerform 1..1
* activity.detail.doNotPerform ^short = "True: the item is withheld, and statusReason says why"
* activity.detail.description 1..1
* activity.detail obeys hs-withheld
* note 1..*
* note ^short = "That software drafted it, and for whom it is"
