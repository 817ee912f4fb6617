RuleSet: Interaction(code, expectation)
* rest.resource[=].interaction[+].code = #{code}
* rest.resource[=].interaction[=].extension.url = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
* rest.resource[=].interaction[=].extension.valueCode = #{expectation}
