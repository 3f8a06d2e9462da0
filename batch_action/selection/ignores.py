"""The default ignores: gitignore patterns by skip reason."""

from batch_action.models.files import SkipReason

DEFAULTS: dict[SkipReason, tuple[str, ...]] = {
    reason: tuple(patterns.split())
    for reason, patterns in {
        SkipReason.LOCK_FILE: """
            package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock
            bun.lockb deno.lock .pnp.cjs .pnp.loader.mjs poetry.lock Pipfile.lock
            uv.lock pdm.lock pixi.lock conda-lock.yml pylock.toml pylock.*.toml
            requirements*.lock Cargo.lock go.sum go.work.sum Gopkg.lock glide.lock
            Gemfile.lock gems.locked composer.lock symfony.lock mix.lock rebar.lock
            packages.lock.json paket.lock project.assets.json gradle.lockfile
            buildscript-gradle.lockfile verification-metadata.xml Package.resolved
            Podfile.lock Cartfile.resolved pubspec.lock stack.yaml.lock
            cabal.project.freeze flake.lock npins/sources.json .terraform.lock.hcl
            Chart.lock MODULE.bazel.lock Manifest.toml renv.lock packrat.lock conan.lock
            vcpkg-lock.json dub.selections.json shard.lock elm-stuff/ spago.lock
            opam.locked *.opam.locked cpanfile.snapshot buf.lock devbox.lock
            aqua-checksums.json Berksfile.lock Puppetfile.lock
        """,
        SkipReason.MINIFIED: """
            *.min.js *.min.mjs *.min.cjs *.min.css *.min.html *-min.js *-min.css *.map
            *.bundle.js *.bundle.css *.chunk.js *.chunk.css *.packed.js
        """,
        SkipReason.VENDORED: """
            node_modules/ bower_components/ jspm_packages/ vendor/ vendored/ _vendor/
            third_party/ third-party/ thirdparty/ 3rdparty/ Godeps/ Pods/
            Carthage/Checkouts/ .yarn/releases/ .yarn/plugins/ .yarn/sdks/ .venv/ venv/
            site-packages/ gradlew gradlew.bat mvnw mvnw.cmd
        """,
        SkipReason.GENERATED: """
            dist/ *.pb.go *.pb.cc *.pb.h *.pb.c *.pb.swift *.pb.ts *_pb.js *_pb.ts
            *_pb.d.ts *_grpc_pb.js *_pb2.py *_pb2.pyi *_pb2_grpc.py *_pb.rb *.pbobjc.h
            *.pbobjc.m *.g.dart *.freezed.dart *.gr.dart *.g.cs *.g.i.cs *.designer.cs
            *.Designer.cs *.generated.* *_generated.go zz_generated.* *.gen.go *.gen.ts
            *.gen.cs bindata.go __generated__/ generated/ .next/ .nuxt/ .svelte-kit/
            htmlcov/ coverage/lcov-report/ *.snap *.tsbuildinfo *.egg-info/ __pycache__/
            *.R.java parser.tab.c lex.yy.c cassettes/*.yaml cassettes/*.yml
            gradle/wrapper/ .pnp.data.json
        """,
        SkipReason.DEFAULT_IGNORE: """
            *.png *.jpg *.jpeg *.gif *.webp *.avif *.bmp *.ico *.icns *.tif *.tiff *.svg
            *.psd *.ai *.eps *.sketch *.fig *.xcf *.drawio *.excalidraw *.woff *.woff2
            *.ttf *.otf *.eot *.mp3 *.mp4 *.m4a *.mov *.avi *.webm *.ogg *.wav *.flac
            *.pdf *.doc *.docx *.xls *.xlsx *.ppt *.pptx *.odt *.ods *.zip *.tar *.tgz
            *.gz *.bz2 *.xz *.zst *.7z *.rar *.jar *.war *.whl *.nupkg *.deb *.rpm *.dmg
            *.exe *.dll *.so *.dylib *.a *.o *.obj *.class *.pyc *.wasm *.node *.bin
            *.dat *.db *.sqlite *.sqlite3 *.parquet *.avro *.npy *.npz *.pkl *.h5 *.onnx
            *.pt *.pth *.safetensors *.gguf *.csv *.tsv *.ndjson *.jsonl *.log *.lock
            *.sum *.patch *.diff *.po *.pot *.mo *.xlf *.geojson *.stl *.gltf *.glb
            *.fbx *.blend *.crt *.cer *.der *.p12 *.jks *.asc *.sig .DS_Store LICENSE
            LICENSE.* COPYING CHANGELOG CHANGELOG.* AUTHORS CONTRIBUTORS CODEOWNERS
            .gitignore .gitattributes .gitkeep .git-blame-ignore-revs .mailmap py.typed
            *.sarif .batch-action/
        """,
    }.items()
}
"""In the order in which they are tried: the first reason wins."""
