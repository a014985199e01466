package differential

func transactionScenarios() []scenario { return nil }
func shareScenarios() []scenario       { return nil }
func streamsScenarios() []scenario     { return nil }
