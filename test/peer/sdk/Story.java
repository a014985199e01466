import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.kafka.KafkaClient;
import software.amazon.awssdk.services.kafka.model.Cluster;
import software.amazon.awssdk.services.kafka.model.ClusterState;
import software.amazon.awssdk.services.kafka.model.ConflictException;
import software.amazon.awssdk.services.kafka.model.CreateClusterV2Request;
import software.amazon.awssdk.services.kafka.model.KafkaException;
import software.amazon.awssdk.services.kafka.model.NotFoundException;
import software.amazon.awssdk.services.sts.StsClient;

/** A cluster's life, told with the AWS SDK for Java 2. Usage: Story SUBNET,SUBNET,SUBNET */
public class Story {
  static void check(boolean holds, Object state) {
    if (!holds) throw new AssertionError(state);
  }

  public static void main(String[] args) throws Exception {
    URI endpoint = URI.create(System.getenv("AWS_ENDPOINT_URL"));
    List<String> subnets = List.of(args[0].split(","));
    try (StsClient sts = StsClient.builder().endpointOverride(endpoint).httpClientBuilder(UrlConnectionHttpClient.builder()).build()) {
      check(sts.getCallerIdentity().account().equals("000000000000"), "account");
    }
    try (KafkaClient kafka = KafkaClient.builder().endpointOverride(endpoint).httpClientBuilder(UrlConnectionHttpClient.builder()).build()) {
      story(kafka, subnets);
    }
    System.out.println("ok");
  }

  static void story(KafkaClient kafka, List<String> subnets) throws Exception {
    var versions = kafka.listKafkaVersionsPaginator(r -> {}).kafkaVersions().stream().toList();
    Map<String, String> tags = new HashMap<>(Map.of("language", "Java, ü"));
    CreateClusterV2Request request = CreateClusterV2Request.builder()
        .clusterName("from-java").tags(tags)
        .provisioned(p -> p.kafkaVersion(versions.get(versions.size() - 1).version()).numberOfBrokerNodes(3)
            .brokerNodeGroupInfo(b -> b.instanceType("kafka.m5.large").clientSubnets(subnets)))
        .build();
    var created = kafka.createClusterV2(request);
    String arn = created.clusterArn();
    check(created.state() == ClusterState.CREATING, created);
    try {
      kafka.createClusterV2(request);
      check(false, "a second cluster of the same name was made");
    } catch (ConflictException expected) {
      check(expected.statusCode() == 409, expected);
    }
    long end = System.nanoTime() + 60_000_000_000L;
    Cluster info;
    while ((info = kafka.describeClusterV2(r -> r.clusterArn(arn)).clusterInfo()).state() != ClusterState.ACTIVE) {
      check(System.nanoTime() < end, info);
      Thread.sleep(20);
    }
    check(info.provisioned().numberOfBrokerNodes() == 3 && info.creationTime() != null && info.currentVersion() != null, info);
    check(info.tags().equals(tags), info.tags());
    check(kafka.getBootstrapBrokers(r -> r.clusterArn(arn)).bootstrapBrokerString().split(",").length == 3, "bootstrap");
    var arns = kafka.listClustersV2Paginator(r -> r.maxResults(1)).clusterInfoList().stream().map(Cluster::clusterArn).toList();
    check(arns.size() >= 2 && arns.contains(arn), arns);
    kafka.tagResource(r -> r.resourceArn(arn).tags(Map.of("a/b", "c d")));
    tags.put("a/b", "c d");
    check(kafka.listTagsForResource(r -> r.resourceArn(arn)).tags().equals(tags), "tags");
    try {
      kafka.listConfigurations(r -> {});
      check(false, "ListConfigurations is not built, and answered");
    } catch (KafkaException e) {
      check(e.awsErrorDetails().errorCode().contains("NotImplemented"), e);
    }
    check(kafka.deleteCluster(r -> r.clusterArn(arn)).state() == ClusterState.DELETING, "state after delete");
    end = System.nanoTime() + 60_000_000_000L;
    try {
      while (true) {
        kafka.describeClusterV2(r -> r.clusterArn(arn));
        check(System.nanoTime() < end, "the cluster is not gone");
        Thread.sleep(20);
      }
    } catch (NotFoundException expected) {
      check(expected.statusCode() == 404, expected);
    }
  }
}
