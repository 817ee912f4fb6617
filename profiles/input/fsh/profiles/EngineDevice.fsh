Profile: EngineDevice
Parent: Device
Id: engine-device
Title: "Engine"
Description: "The software that answers, with the versions of engine and knowledge, and its model card."
* insert Published
* obeys hs-model-card
* identifier 1..*
* status 1..1
* deviceName 1..*
* deviceName.type = #model-name
* type 1..1
* type from $service (preferred)
* version 2..*
* version.type 1..1
* version.type.text 1..1
* version ^slicing.discriminator.type = #value
* version ^slicing.discriminator.path = "type.text"
* version ^slicing.rules = #open
* version contains
    engine 1..1 and
    knowledge 1..1
* version[engine] ^short = "Version of the software"
* version[engine].type.text = "engine"
* version[knowledge] ^short = "Version of the tables of numbers, with a digest of their content"
* version[knowledge].type.text = "knowledge"
