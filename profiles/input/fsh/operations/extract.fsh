Instance: extract
InstanceOf: OperationDefinition
Usage: #definition
* insert Operation(extract, [[Extract Observations from a form]], false, true, true, false)
* name = "Extract"
* description = "Turns the answers of a form into Observations: one for each answer to a coded question that the Questionnaire marks with observationExtract. Nothing is stored; what comes back is a transaction Bundle that would create them."
* comment = "The answer is always Parameters, because two results are defined: return holds the transaction Bundle, issues what there is to say about it. A form may be posted bare or in Parameters; one that is stored is named by the address, and needs no body. Each Observation is final (preliminary while the form is in progress or was stopped), has the codes of the question, the value as answered, an answer \"absent\" or false included, subject and encounter of the form, its authored time as effectiveDateTime and its author as performer, and names the form in derivedFrom. A mark observationExtract=false below one that is true leaves out the item and what is below it. Assessed together, the Observations give the same differential as the form."
* base = "http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract"
* resource[0] = #QuestionnaireResponse
* insert In(questionnaire-response, QuestionnaireResponse, 0, 1, [[The form to extract from, when the operation is called on the type.]])
* insert In(questionnaire, Questionnaire, 0, 1, [[The Questionnaire it answers, needed only where it is not published here.]])
* insert Out(return, Bundle, 1, 1, [[A Bundle of type transaction with one POST for each Observation; without entries if there is nothing to extract.]])
* insert Out(issues, OperationOutcome, 0, 1, [[Hints and warnings: answers that no Observation can hold, a form that is not finished, a missing time.]])
