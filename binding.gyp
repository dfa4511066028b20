{
  # Lets `node-gyp rebuild` work in a checkout; not published, since npm would run it on every installation.
  "targets": [
    {
      "target_name": "ocrnet",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake-js",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["always-out-of-date"],
          "action": ["node", "scripts/setup.mjs", "--only", "native"]
        }
      ]
    }
  ]
}
