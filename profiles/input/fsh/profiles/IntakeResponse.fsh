Profile: IntakeResponse
Parent: QuestionnaireResponse
Id: intake-response
Title: "Intake response"
Description: "Answers to the intake and examination form. What is left out is unknown; unknown may also be answered. Completed means that whoever filled it in is done, not that everything was answered."
* insert Published
* questionnaire 1..1
* questionnaire obeys hs-intake-form
* questionnaire ^short = "The form of this service, with or without its version"
* subject 1..1
* subject only Reference(Patient)
* authored ^short = "When the answers were given; the date of every finding in it"
* item.linkId ^short = "A group of the form, or the id of a finding"
* item.item.linkId ^short = "The id of a finding"
* item.item.answer.value[x] only Coding or decimal or integer or Quantity or boolean or string
* item.item.answer.value[x] ^short = "One of the options of the question, or the number measured in its unit"
