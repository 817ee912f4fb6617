Invariant: hs-result
Description: "A finding has a result, an interpretation, components with findings of their own, or a reason why it has none."
Expression: "value.exists() or dataAbsentReason.exists() or interpretation.exists() or component.where(value.exists() or dataAbsentReason.exists()).exists()"
Severity: #error
