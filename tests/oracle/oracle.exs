# SPDX-License-Identifier: Apache-2.0
# Differential-conformance oracle: runs scenario scripts on Erlang/OTP and
# prints the canonical event logs described in SPEC.md.
#
#   elixir oracle.exs SCRIPT...               logs on stdout
#   elixir oracle.exs --dir DIR --out OUTDIR  every DIR/*.script -> OUTDIR/*.log
#
# The modules are compiled once into the system's temporary folder, by content.

sources = Path.wildcard(Path.join(__DIR__, "lib/*.ex"))
digest = sources |> Enum.map(&File.read!/1) |> :erlang.md5() |> Base.encode16(case: :lower)
ebin = Path.join(System.tmp_dir!(), "oracle_" <> digest)

unless File.dir?(ebin) do
  building = "#{ebin}.#{System.pid()}"
  File.mkdir_p!(building)
  {:ok, _, _} = Kernel.ParallelCompiler.compile_to_path(sources, building)
  if File.rename(building, ebin) != :ok, do: File.rm_rf!(building)
end

Code.prepend_path(ebin)

{opts, scripts} = OptionParser.parse!(System.argv(), strict: [dir: :string, out: :string])
scripts = if opts[:dir], do: Enum.sort(Path.wildcard("#{opts[:dir]}/*.script")), else: scripts
if opts[:out], do: File.mkdir_p!(opts[:out])

:persistent_term.put(:oracle_ebin, ebin)
Oracle.Local.setup()

failed =
  Enum.count(scripts, fn path ->
    {status, log} = Oracle.Driver.run(File.read!(path))

    if opts[:out],
      do: File.write!(Path.join(opts[:out], Path.basename(path, ".script") <> ".log"), log),
      else: IO.write(log)

    if status == :failed, do: IO.puts(:stderr, "FAILED #{path}")
    status == :failed
  end)

System.halt(if failed == 0, do: 0, else: 1)
