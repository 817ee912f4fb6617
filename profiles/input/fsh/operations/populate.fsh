Instance: populate
InstanceOf: OperationDefinition
Usage: #definition
* insert Operation(populate, [[Fill in a form from a record]], false, true, true, false)
* name = "Populate"
* description = "Fills in a form from what is known of a patient: age band and sex from the Patient, findings from coded Observations and Conditions, answers from earlier forms. The result is for a clinician to look over, correct and complete."
* comment = "Nothing is stored. Codes are understood as in $assess: a code that means more or less than a question is not taken for its answer. The form is ours, or one sent along whose items carry codes known here. For each answer, issues says where it was taken from. Where a finding is known but the question cannot hold it, issues says so."
* base = "http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate"
* resource[0] = #Questionnaire
* insert In(questionnaire, Element, 0, 1, [[The form: its canonical address, a reference to it, or the Questionnaire itself. Not needed on the address of a form.]])
* parameter[=].extension[+].url = "http://hl7.org/fhir/StructureDefinition/operationdefinition-allowed-type"
* parameter[=].extension[=].valueUri = "uri"
* parameter[=].extension[+].url = "http://hl7.org/fhir/StructureDefinition/operationdefinition-allowed-type"
* parameter[=].extension[=].valueUri = "Reference"
* parameter[=].extension[+].url = "http://hl7.org/fhir/StructureDefinition/operationdefinition-allowed-type"
* parameter[=].extension[=].valueUri = "Questionnaire"
* insert In(canonical, uri, 0, 1, [[The form by its canonical address, as earlier versions of the guide name this parameter.]])
* insert In(questionnaireRef, Reference, 0, 1, [[The form by reference, as earlier versions of the guide name this parameter.]])
* parameter[=].targetProfile = "http://hl7.org/fhir/StructureDefinition/Questionnaire"
* insert In(subject, Reference, 0, 1, [[The patient; needed where the content does not tell.]])
* parameter[=].targetProfile = "http://hl7.org/fhir/StructureDefinition/Patient"
* insert InParts(context, 0, *, [[The record to fill in from.]])
* insert PartIn(name, string, 1, 1, [[The name of the context; it is not looked at, every content serves.]])
* insert PartIn(content, Resource, 1, *, [[A resource of the record: Patient, Observation, Condition, QuestionnaireResponse, or a Bundle of them; or a valueReference to one that is stored here.]])
* insert In(content, Resource, 0, *, [[The same without a name, as earlier versions of the guide have it.]])
* insert In(local, boolean, 0, 1, [[Whether to use what is stored here about the subject: the Patient, Conditions, Observations and earlier forms. The subject is then a Patient of this server.]])
* insert Out(response, QuestionnaireResponse, 1, 1, [[The form as far as the record answers it, in progress.]])
* insert Out(issues, OperationOutcome, 0, 1, [[Where each answer was taken from, and what could not be used.]])
