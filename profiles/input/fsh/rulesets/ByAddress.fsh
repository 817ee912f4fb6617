// A definition that is read by id and found by its canonical address.
RuleSet: ByAddress(parameter)
* insert Interaction(read, SHALL)
* insert Interaction(search-type, SHALL)
* insert Searched(url, uri, {parameter}, SHALL)
