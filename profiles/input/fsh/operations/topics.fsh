Instance: topics
InstanceOf: OperationDefinition
Usage: #definition
* insert Operation(topics, [[List the topics to subscribe to]], false, true, false, false)
* name = "Topics"
* description = "Lists what a Subscription of this server can be about: for each topic its canonical address, which goes into Subscription.criteria, what it is about, by what its events can be filtered, and how much a notification can hold."
* comment = "FHIR R4 has no resource for topics, so that they are given as Parameters. A filter goes into the extension backport-filter-criteria of Subscription.criteria as Type?parameter=value. A Subscription may also name a search instead of a topic, as R4 has it (QuestionnaireResponse?status=completed)."
* resource[0] = #Subscription
* parameter[+].name = #topic
* parameter[=].use = #out
* parameter[=].min = 0
* parameter[=].max = "*"
* parameter[=].documentation = "One topic."
* parameter[=].part[+].name = #url
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "Its canonical address."
* parameter[=].part[=].type = #canonical
* parameter[=].part[+].name = #title
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "What it is called."
* parameter[=].part[=].type = #string
* parameter[=].part[+].name = #description
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "When it has an event."
* parameter[=].part[=].type = #string
* parameter[=].part[+].name = #resource
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "1"
* parameter[=].part[=].documentation = "The type of resource its events are about."
* parameter[=].part[=].type = #code
* parameter[=].part[+].name = #filter
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 0
* parameter[=].part[=].max = "*"
* parameter[=].part[=].documentation = "A search parameter its events can be filtered by."
* parameter[=].part[=].type = #string
* parameter[=].part[+].name = #content
* parameter[=].part[=].use = #out
* parameter[=].part[=].min = 1
* parameter[=].part[=].max = "*"
* parameter[=].part[=].documentation = "How much a notification can hold."
* parameter[=].part[=].type = #code
