RuleSet: Operated(name, definition, expectation)
* rest.resource[=].operation[+].name = "{name}"
* rest.resource[=].operation[=].definition = "{definition}"
* rest.resource[=].operation[=].extension.url = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
* rest.resource[=].operation[=].extension.valueCode = #{expectation}
