// A type in a CapabilityStatement: what it is for; what follows with Interaction, Searched and Operated belongs to it.
RuleSet: Offered(type, documentation)
* rest.resource[+].type = #{type}
* rest.resource[=].documentation = "{documentation}"
