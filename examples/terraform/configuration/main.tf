# A configuration, and a cluster that follows its newest revision: change server_properties, apply, and both change. What Kafka can change at run time
# is changed without a restart.

data "aws_msk_kafka_version" "newest" {
  version = "4.1.x.kraft"
}

variable "retention_hours" {
  default = 24
}

resource "aws_msk_configuration" "payments" {
  name              = "payments"
  description       = "retention of payments"
  kafka_versions    = [data.aws_msk_kafka_version.newest.version]
  server_properties = "log.retention.hours=${var.retention_hours}\nmessage.max.bytes=2097152\n"
}

resource "aws_msk_cluster" "payments" {
  cluster_name           = "payments"
  kafka_version          = data.aws_msk_kafka_version.newest.version
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]
  }

  configuration_info {
    arn      = aws_msk_configuration.payments.arn
    revision = aws_msk_configuration.payments.latest_revision
  }
}
