Instance: spine-hip-server
InstanceOf: CapabilityStatement
Usage: #definition
* insert Definition
* url = "https://hipspine.example/fhir/CapabilityStatement/spine-hip-server"
* name = "SpineHipServer"
* title = "Spine-hip server"
* date = "2026-11-28"
* description = "What a server offers that weighs hip-region pain between spine and hip: the assessment as an operation (shall), the definitions and terminology it uses (shall), and a store for what was asked and answered (should, since a server may also store nothing)."
* kind = #requirements
* fhirVersion = #4.0.1
* format = #application/fhir+json
* rest.mode = #server
* rest.documentation = "An assessment changes and stores nothing, whether or not the server has a store. No reference to another server is followed."
* rest.operation.name = "assess"
* rest.operation.definition = "https://hipspine.example/fhir/OperationDefinition/assess"
* rest.operation.extension.url = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
* rest.operation.extension.valueCode = #SHALL
* insert Offered(RiskAssessment, [[Assessments, as the operation answers them.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/spine-hip-risk-assessment"
* insert Stored
* insert Searched(basis, reference, https://hipspine.example/fhir/SearchParameter/RiskAssessment-basis, SHOULD)
* insert Searched(subject, reference, http://hl7.org/fhir/SearchParameter/RiskAssessment-subject, SHOULD)
* insert Searched(patient, reference, http://hl7.org/fhir/SearchParameter/clinical-patient, SHOULD)
* insert Searched(date, date, http://hl7.org/fhir/SearchParameter/clinical-date, SHOULD)
* insert Searched(risk, token, http://hl7.org/fhir/SearchParameter/RiskAssessment-risk, SHOULD)
* insert Operated(validate, http://hl7.org/fhir/OperationDefinition/Resource-validate, SHALL)
* insert Offered(QuestionnaireResponse, [[Answers to the form, assessed or taken apart.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/intake-response"
* insert Stored
* insert Operated(assess, https://hipspine.example/fhir/OperationDefinition/assess, SHALL)
* insert Operated(extract, https://hipspine.example/fhir/OperationDefinition/extract, SHALL)
* insert Offered(Observation, [[Findings, assessed one or many at a time.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/exam-finding"
* insert Stored
* insert Operated(assess, https://hipspine.example/fhir/OperationDefinition/assess, SHALL)
* insert Offered(ServiceRequest, [[Referrals and images that were proposed, once a clinician takes them up.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/spine-hip-referral"
* insert Stored
* insert Offered(CarePlan, [[Plans that were proposed, once a clinician takes them up.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/spine-hip-care-plan"
* insert Stored
* insert Offered(Provenance, [[How an assessment came about.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/assessment-provenance"
* insert Stored
* insert Searched(target, reference, http://hl7.org/fhir/SearchParameter/Provenance-target, SHOULD)
* insert Offered(Patient, [[Whom it is all about; age and sex are read by the assessment.]])
* insert Stored
* insert Operated(everything, http://hl7.org/fhir/OperationDefinition/Patient-everything, SHOULD)
* insert Offered(Device, [[The engine, with its versions and its model card.]])
* rest.resource[=].supportedProfile = "https://hipspine.example/fhir/StructureDefinition/engine-device"
* insert Interaction(read, SHALL)
* insert Offered(DocumentReference, [[The model card.]])
* insert Interaction(read, SHALL)
* insert Offered(Questionnaire, [[The intake and examination form.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Operated(populate, https://hipspine.example/fhir/OperationDefinition/populate, SHALL)
* insert Offered(CodeSystem, [[Our own codes.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Operated(lookup, http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup, SHALL)
* insert Operated(validate-code, http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code, SHALL)
* insert Operated(subsumes, http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes, SHALL)
* insert Offered(ValueSet, [[The lists of codes that requests and answers are bound to.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Operated(expand, http://hl7.org/fhir/OperationDefinition/ValueSet-expand, SHALL)
* insert Operated(validate-code, http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code, SHALL)
* insert Offered(ConceptMap, [[How our codes and those of SNOMED CT, LOINC and ICD-10-CM correspond.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Operated(translate, http://hl7.org/fhir/OperationDefinition/ConceptMap-translate, SHALL)
* insert Offered(StructureDefinition, [[Profiles and extensions.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Offered(OperationDefinition, [[The operations that R4 does not define.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Offered(SearchParameter, [[The search parameters that R4 does not define.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
* insert Offered(CapabilityStatement, [[This statement. What an instance offers is at metadata.]])
* insert ByAddress(http://hl7.org/fhir/SearchParameter/conformance-url)
