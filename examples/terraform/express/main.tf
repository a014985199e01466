# Three Express brokers: no volumes to size, and partitions are balanced by the service unless it is paused.

resource "aws_msk_cluster" "clicks" {
  cluster_name           = "clicks"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "express.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
  }

  rebalancing {
    status = "PAUSED"
  }
}

output "bootstrap_brokers" {
  value = aws_msk_cluster.clicks.bootstrap_brokers
}
