package differential

func frameScenarios() []scenario { return nil }
