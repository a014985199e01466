# A Serverless cluster. Weir serves it without authentication so far (docs/adr/0006), so its address is that of the data source.

resource "aws_msk_serverless_cluster" "events" {
  cluster_name = "events"

  vpc_config {
    subnet_ids         = aws_subnet.main[*].id
    security_group_ids = [aws_security_group.main.id]
  }

  client_authentication {
    sasl {
      iam {
        enabled = true
      }
    }
  }

  tags = { team = "events" }
}

data "aws_msk_bootstrap_brokers" "events" {
  cluster_arn = aws_msk_serverless_cluster.events.arn
}

output "bootstrap_brokers" {
  value = data.aws_msk_bootstrap_brokers.events.bootstrap_brokers
}
