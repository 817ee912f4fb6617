// What a server that stores a type offers for it. A server without a store still answers the operations.
RuleSet: Stored
* insert Interaction(create, SHOULD)
* insert Interaction(read, SHOULD)
* insert Interaction(vread, SHOULD)
* insert Interaction(update, SHOULD)
* insert Interaction(search-type, SHOULD)
