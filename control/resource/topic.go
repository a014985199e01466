package resource

// TopicARN is the ARN of a topic of the cluster.
func (c *Cluster) TopicARN(topic string) string {
	return arn(c.Scope(), "topic/"+c.Name+"/"+c.UUID+"-"+generation+"/"+topic)
}

// ParseTopicARN takes a topic's ARN apart into its cluster and the topic's name.
func ParseTopicARN(text string) (ref ClusterRef, topic string, ok bool) {
	scope, parts, ok := parseARN(text)
	if !ok || len(parts) != 4 || parts[0] != "topic" {
		return ClusterRef{}, "", false
	}
	cluster, ok := bareUUID(parts[2])
	return ClusterRef{Scope: scope, Name: parts[1], UUID: cluster}, parts[3], ok
}
