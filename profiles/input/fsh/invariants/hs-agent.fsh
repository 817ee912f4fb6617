Invariant: hs-agent
Description: "An agent is named by a reference."
Expression: "who.reference.exists() or who.identifier.exists()"
Severity: #error
