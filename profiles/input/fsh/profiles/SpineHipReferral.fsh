Profile: SpineHipReferral
Parent: ServiceRequest
Id: spine-hip-referral
Title: "Spine-hip referral"
Description: "A referral or imaging that an assessment proposes, as a draft. Nothing is ordered until a clinician takes it up."
* insert Published
* extension contains Urgency named urgency 1..1
* status = #draft
* intent = #proposal
* category 1..*
* category ^short = "Patient referral"
* priority 1..1
* priority ^short = "stat: emergency; urgent: urgent; routine: soon (with a period) or routine"
* code 1..1
* code from $service (required)
* code ^short = "The service: our code, and SNOMED CT where a verified one exists"
* subject only Reference(Patient)
* occurrence[x] only Period
* occurrence[x] ^short = "By when, where it should be soon"
* authoredOn 1..1
* requester only Reference(EngineDevice or Practitioner or PractitionerRole or Organization)
* requester ^short = "The engine, until a clinician takes it up"
* performerType from $service (required)
* performerType ^short = "The specialty it goes to"
* reasonCode 1..*
* reasonCode.text 1..1
* reasonCode ^short = "The symptom as coded, and why it is proposed in words; never a suspected disease as if it were confirmed"
* supportingInfo ^short = "The assessment that proposes it; absent where a card offers the draft by itself"
* note 1..*
* note ^short = "That software drafted it"
