# A cluster and a topic of it, without a second provider: the topic is made through MSK's API.

variable "partitions" {
  default = 6
}

resource "aws_msk_cluster" "orders" {
  cluster_name           = "orders"
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
  }
}

resource "aws_msk_topic" "orders" {
  cluster_arn        = aws_msk_cluster.orders.arn
  name               = "orders"
  partition_count    = var.partitions
  replication_factor = 3

  configs = jsonencode({
    "cleanup.policy" = "compact"
    "retention.ms"   = "86400000"
  })
}
