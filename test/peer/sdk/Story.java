import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.kafka.KafkaClient;
import software.amazon.awssdk.services.kafka.model.BadRequestException;
import software.amazon.awssdk.services.kafka.model.Cluster;
import software.amazon.awssdk.services.kafka.model.ClusterOperationInfo;
import software.amazon.awssdk.services.kafka.model.ClusterState;
import software.amazon.awssdk.services.kafka.model.ConflictException;
import software.amazon.awssdk.services.kafka.model.CreateClusterV2Request;
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
    long end = System.nanoTime() + 300_000_000_000L;
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
    SdkBytes properties = SdkBytes.fromUtf8String("log.retention.hours=48\n");
    var made = kafka.createConfiguration(r -> r.name("of-java").serverProperties(properties));
    long revision = made.latestRevision().revision();
    check(kafka.describeConfigurationRevision(r -> r.arn(made.arn()).revision(revision)).serverProperties().equals(properties), "properties");
    int volumes = info.provisioned().brokerNodeGroupInfo().storageInfo().ebsStorageInfo().volumeSize();
    updated(kafka, arn, v -> kafka.updateClusterConfiguration(r -> r.clusterArn(arn).currentVersion(v)
        .configurationInfo(c -> c.arn(made.arn()).revision(revision))).clusterOperationArn());
    updated(kafka, arn, v -> kafka.updateBrokerStorage(r -> r.clusterArn(arn).currentVersion(v)
        .targetBrokerEBSVolumeInfo(b -> b.kafkaBrokerNodeId("All").volumeSizeGB(volumes + 10))).clusterOperationArn());
    ClusterOperationInfo counted = updated(kafka, arn,
        v -> kafka.updateBrokerCount(r -> r.clusterArn(arn).currentVersion(v).targetNumberOfBrokerNodes(6)).clusterOperationArn());
    check(counted.sourceClusterInfo().numberOfBrokerNodes() == 3 && counted.targetClusterInfo().numberOfBrokerNodes() == 6, counted);
    try {
      kafka.updateBrokerCount(r -> r.clusterArn(arn).currentVersion("KOLD").targetNumberOfBrokerNodes(9));
      check(false, "an update from a stale version was taken");
    } catch (BadRequestException expected) {
      check(expected.getMessage().contains("isn't current"), expected);
    }
    var now = kafka.describeClusterV2(r -> r.clusterArn(arn)).clusterInfo().provisioned();
    check(now.numberOfBrokerNodes() == 6 && now.brokerNodeGroupInfo().storageInfo().ebsStorageInfo().volumeSize() == volumes + 10, now);
    var software = now.currentBrokerSoftwareInfo();
    check(software.configurationArn().equals(made.arn()) && software.configurationRevision() == revision, now);
    check(kafka.deleteCluster(r -> r.clusterArn(arn)).state() == ClusterState.DELETING, "state after delete");
    end = System.nanoTime() + 300_000_000_000L;
    try {
      while (true) {
        kafka.describeClusterV2(r -> r.clusterArn(arn));
        check(System.nanoTime() < end, "the cluster is not gone");
        Thread.sleep(20);
      }
    } catch (NotFoundException expected) {
      check(expected.statusCode() == 404, expected);
    }
    kafka.deleteConfiguration(r -> r.arn(made.arn()));
  }

  /** Starts an update from the current version and waits for the operation's end. */
  static ClusterOperationInfo updated(KafkaClient kafka, String arn, Function<String, String> call) throws Exception {
    String operation = call.apply(kafka.describeCluster(r -> r.clusterArn(arn)).clusterInfo().currentVersion());
    long end = System.nanoTime() + 300_000_000_000L;
    while (true) {
      ClusterOperationInfo o = kafka.describeClusterOperation(r -> r.clusterOperationArn(operation)).clusterOperationInfo();
      if (o.operationState().equals("UPDATE_COMPLETE")) return o;
      check(List.of("PENDING", "UPDATE_IN_PROGRESS").contains(o.operationState()) && System.nanoTime() < end, o);
      Thread.sleep(20);
    }
  }
}
