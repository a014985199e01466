import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.atomic.AtomicReference;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Apache Kafka's tools one after the other, as their scripts would in a JVM each. A line of standard input is a
 * call: words of Base64, which are the main class, what the tool reads, and its arguments. A line of standard output is its result: exit
 * code, standard output, standard error.
 *
 * The arguments are the jars whose classes are loaded for each call anew.
 */
public final class Runner {
    private static final class Exited extends Error {
        Exited() {
            super(null, null, false, false);
        }
    }

    public static void main(String[] jars) throws Exception {
        PrintStream results = System.out;
        BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        URL[] urls = new URL[jars.length];
        for (int i = 0; i < jars.length; i++) {
            urls[i] = new File(jars[i]).toURI().toURL();
        }
        for (String line = calls.readLine(); line != null; line = calls.readLine()) {
            String[] words = Arrays.stream(line.split(" ", -1)).map(Runner::decode).toArray(String[]::new);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            int code = call(urls, words, out, err);
            results.println(code + " " + encode(out) + " " + encode(err));
            results.flush();
        }
        Runtime.getRuntime().halt(0); // some tools leave threads and hooks behind
    }

    private static int call(URL[] urls, String[] words, ByteArrayOutputStream out, ByteArrayOutputStream err) throws Exception {
        System.setIn(new ByteArrayInputStream(words[1].getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        // The first exit is the one that counts: what a tool does on its way out may exit as well.
        AtomicReference<Integer> code = new AtomicReference<>();
        Exit.Procedure exit = (status, message) -> {
            code.compareAndSet(null, status);
            throw new Exited();
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        URLClassLoader loader = new URLClassLoader(urls, Runner.class.getClassLoader());
        Thread tool = new Thread(() -> {
            try {
                Class<?> main = Class.forName(words[0], true, loader);
                main.getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 2, words.length));
                code.compareAndSet(null, 0);
            } catch (InvocationTargetException e) {
                if (!(e.getCause() instanceof Exited)) {
                    e.getCause().printStackTrace();
                }
                code.compareAndSet(null, 1);
            } catch (ReflectiveOperationException e) {
                e.printStackTrace();
                code.compareAndSet(null, 127);
            }
        });
        tool.setContextClassLoader(loader);
        tool.start();
        tool.join();
        System.out.flush();
        System.err.flush();
        return code.get();
    }

    private static String decode(String word) {
        return new String(Base64.getDecoder().decode(word), StandardCharsets.UTF_8);
    }

    private static String encode(ByteArrayOutputStream bytes) {
        return Base64.getEncoder().encodeToString(bytes.toByteArray());
    }
}
