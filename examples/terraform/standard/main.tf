# Three Standard brokers with what most clusters have around them: a configuration, a key, a log group, exporters.

resource "aws_kms_key" "kafka" {
  description = "data of the orders cluster"
}

resource "aws_cloudwatch_log_group" "brokers" {
  name              = "/msk/orders"
  retention_in_days = 7
}

resource "aws_msk_configuration" "orders" {
  name              = "orders"
  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    log.retention.hours=72
  PROPERTIES
}

resource "aws_msk_cluster" "orders" {
  cluster_name           = "orders"
  kafka_version          = "4.1.x.kraft"
  number_of_broker_nodes = 3
  enhanced_monitoring    = "PER_TOPIC_PER_BROKER"

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = aws_subnet.main[*].id
    security_groups = [aws_security_group.main.id]

    storage_info {
      ebs_storage_info {
        volume_size = 100
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.orders.arn
    revision = aws_msk_configuration.orders.latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.kafka.arn

    encryption_in_transit {
      client_broker = "TLS_PLAINTEXT"
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }
      node_exporter {
        enabled_in_broker = true
      }
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers.name
      }
    }
  }

  tags = { team = "orders" }
}

data "aws_msk_broker_nodes" "orders" {
  cluster_arn = aws_msk_cluster.orders.arn
}

output "bootstrap_brokers" {
  value = aws_msk_cluster.orders.bootstrap_brokers
}
